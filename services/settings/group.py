"""What every group of settings is."""

from pydantic import BaseModel, ConfigDict

Port = int


class Group(BaseModel):
    """One concern's settings. Made by ``load`` only, which turns every fault into one line."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)
