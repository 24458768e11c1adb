"""The stack's own network: parts reach one another by plain names, and nothing else is on it."""

import pulumi
import pulumi_docker as docker

from infra.components.site import DEFAULT_STACK, Site, stack_labels


def place(prefix: str, bind: str, host: str, opts: pulumi.ResourceOptions | None = None) -> Site:
    """Makes the network `{prefix}millrace` and returns the site that parts are put on."""
    network = docker.Network(
        "network",
        name=f"{prefix}{DEFAULT_STACK}",
        driver="bridge",
        labels=[docker.NetworkLabelArgs(label=label, value=value) for label, value in stack_labels(prefix).items()],
        opts=opts,
    )
    return Site(prefix, bind, host, network)
