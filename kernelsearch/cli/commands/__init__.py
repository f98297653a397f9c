"""The commands, one file each; every one offers `command`. Engine imports stand inside the functions, so that help is quick."""
