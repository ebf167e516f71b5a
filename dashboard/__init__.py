"""Pages, REST API and server push: one ASGI application."""
