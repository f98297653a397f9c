"""Tasks in the file formats of others, in and out."""
