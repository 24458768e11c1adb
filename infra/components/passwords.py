"""What nobody chooses: a password for every user, the admin token, the id of the Kafka cluster."""

import base64
from collections.abc import Mapping
from typing import Final

import pulumi
import pulumi_random as random

from infra.accounts import FORMERLY, SECRETS

LENGTH: Final = 32


class Passwords(pulumi.ComponentResource):
    """Generated once and stable from then on. Letters and digits only: no shell, URL, XML or SQL reads them as more."""

    def __init__(self, opts: pulumi.ResourceOptions | None = None) -> None:
        """Registers every secret."""
        super().__init__("millrace:stack:Passwords", "passwords", None, opts)
        made = {user: self._password(user) for user in SECRETS}
        self.of: Mapping[str, pulumi.Output[str]] = {
            user: pulumi.Output.secret(password.result) for user, password in made.items()
        }
        cluster = random.RandomId("kafka-cluster-id", byte_length=16, opts=self._kept)
        self.cluster_id: pulumi.Output[str] = cluster.hex.apply(kafka_cluster_id)
        self.register_outputs({})

    def _password(self, name: str) -> random.RandomPassword:
        return random.RandomPassword(
            name,
            length=LENGTH,
            special=False,
            min_lower=1,
            min_upper=1,
            min_numeric=1,
            opts=pulumi.ResourceOptions.merge(self._kept, _renamed(name)),
        )

    @property
    def _kept(self) -> pulumi.ResourceOptions:
        """The volumes outlive the stack, and nothing else opens them: `make down` leaves what is protected."""
        return pulumi.ResourceOptions(parent=self, protect=True)


def _renamed(name: str) -> pulumi.ResourceOptions:
    """What was generated under an earlier name is kept."""
    return pulumi.ResourceOptions(aliases=[pulumi.Alias(name=FORMERLY[name])] if name in FORMERLY else None)


def kafka_cluster_id(random_hex: str) -> str:
    """Sixteen random bytes in the form Kafka wants: base64 for URLs, unpadded.

    The first bit is dropped, so that the id never begins with a dash, which Kafka's tools take for an option.
    """
    raw = bytes.fromhex(random_hex)
    return base64.urlsafe_b64encode(bytes([raw[0] & 0x7F]) + raw[1:]).decode().rstrip("=")
