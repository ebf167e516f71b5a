"""The network file: sites, stations, connectors, cables, tokens, drivers, tariffs and whom to tell.

`read_network` reads and checks a file, `apply_network` puts it into the records: all of it or nothing.
"""

from laddvakt.network.apply import Counts, Summary, apply_network
from laddvakt.network.model import Network
from laddvakt.network.read import read_network

__all__ = ["Counts", "Network", "Summary", "apply_network", "read_network"]
