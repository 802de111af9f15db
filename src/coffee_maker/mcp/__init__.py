"""A face: the tools of an agent, or all operations, for programs that speak the Model Context Protocol."""
