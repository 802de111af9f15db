"""The text of each kind of data, written onto a page; every function takes the JSON data, so text and JSON agree."""
