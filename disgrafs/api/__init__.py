"""The HTTP interface of DisGraFS: what the page and `disgrafs find` ask. See app.py for the routes."""
