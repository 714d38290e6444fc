"""`python -m disgrafs.api`: serves the API and the page."""

import uvicorn

from disgrafs.api.app import create_app
from disgrafs.api.server import config
from disgrafs.api.settings import Settings
from disgrafs.graph import GraphAddress, open_graph


def main() -> None:
    """Runs the server."""
    settings = Settings.from_environment()
    graph = open_graph(GraphAddress.from_environment())
    try:
        uvicorn.Server(config(create_app(graph, settings), settings.host, settings.port)).run()
    finally:
        graph.close()


if __name__ == "__main__":
    main()
