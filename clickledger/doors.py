"""`clickledger door`: WORKERS door processes on one port, for a machine whose servers are elsewhere.

The same children as under `up`, with a supervisor that has nothing else to keep running.
"""

from __future__ import annotations

from clickledger.engines.data_dir import DataDir
from clickledger.metrics_server import serve_metrics
from clickledger.ports import listen
from clickledger.rooms import door_workers
from clickledger.stopping import StopRequest
from clickledger.supervisor import Supervisor
from schema.settings import Settings


def run_doors(settings: Settings, directory: DataDir) -> None:
    """Until SIGTERM, which lets every worker answer what is in flight. Raises StartError."""
    request = StopRequest()
    request.only_note()
    serve_metrics(settings.metrics_port)
    door = listen(settings.host, settings.port, "CLICKLEDGER_PORT")
    supervisor = Supervisor()
    try:
        for child in door_workers(settings, directory.path, door):
            supervisor.start(child)
        supervisor.watch(request.is_asked)
    finally:
        door.close()
        supervisor.stop(request.is_hurried)
