"""Ray's way to the cloud of fake_cloud.py: a node provider as those of AWS, Google Cloud and Azure are."""

from collections.abc import Mapping

from fake_cloud import MOUNTED, ask
from ray.autoscaler.node_provider import NodeProvider


class FakeCloud(NodeProvider):
    """Machines of one cluster, as the cloud tells of them at each question."""

    def __init__(self, provider_config, cluster_name) -> None:
        super().__init__(provider_config, cluster_name)

    def _machines(self) -> dict:
        rows = ask(MOUNTED, verb="machines")["machines"]
        return {row["name"]: row for row in rows if row["tags"].get("cluster") == self.cluster_name}

    def non_terminated_nodes(self, tag_filters: Mapping[str, str]) -> list[str]:
        """Return the names of those that bear all these tags."""
        return [name for name, row in self._machines().items() if tag_filters.items() <= row["tags"].items()]

    def is_running(self, node_id: str) -> bool:
        """Return whether it runs."""
        return node_id in self._machines()

    def is_terminated(self, node_id: str) -> bool:
        """Return whether it is gone."""
        return node_id not in self._machines()

    def node_tags(self, node_id: str) -> dict:
        """Return what is written on it."""
        return self._machines()[node_id]["tags"]

    def external_ip(self, node_id: str) -> None:
        """Return nothing: no machine has a public address."""
        return

    def internal_ip(self, node_id: str) -> str:
        """Return its address."""
        return self._machines()[node_id]["address"]

    def create_node(self, node_config, tags, count) -> None:
        """Make machines."""
        for _ in range(count):
            ask(
                MOUNTED, verb="create", tags={**tags, "cluster": self.cluster_name, "kind": node_config["InstanceType"]}
            )

    def set_node_tags(self, node_id: str, tags: Mapping[str, str]) -> None:
        """Change what is written on it."""
        ask(MOUNTED, verb="tag", name=node_id, tags=dict(tags))

    def terminate_node(self, node_id: str) -> None:
        """End it."""
        ask(MOUNTED, verb="terminate", name=node_id)
