"""Tells people of tickets: whom (`routes`), in which words (`message`), how (`webhook`, `apprise_`)."""
