"""The phases of a session, named after the messages that they answer."""
