"""Everything we know about Webordinary: our hands on it, and the promises it makes."""
