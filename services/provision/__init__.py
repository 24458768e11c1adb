"""What has to be there before the services work: topics, schemas, users, connectors.

Each job can be repeated without harm, deletes nothing, and says of each thing what it did to it. It waits, within
limits, for the server it needs.
"""

from services.provision.report import Done, ProvisionError, Tell

__all__ = ["Done", "ProvisionError", "Tell"]
