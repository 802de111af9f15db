"""Does: the only room that opens transactions."""
