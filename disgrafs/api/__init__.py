"""The HTTP API of DisGraFS, used by the page and by `disgrafs find`. app.py has the routes."""
