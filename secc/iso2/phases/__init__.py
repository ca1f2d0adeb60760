"""The phases of a session, a file each, named after the message that they answer."""
