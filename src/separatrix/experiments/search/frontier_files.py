"""Searches in their stores: one file each, by the hash of the plan."""

from __future__ import annotations

from separatrix.experiments.search.frontier import Frontier
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.seal import read_as


def keep(store: Store, frontier: Frontier) -> None:
    """Write a search's outcome into its store: `frontiers/<hash of the plan>.json`."""
    store.write_record(f"frontiers/{frontier.plan.content_hash()}.json", frontier.model_dump(mode="json"))


def kept(store: Store) -> list[Frontier]:
    """The searches of a store; a notice names those that cannot be read."""
    found: list[Frontier] = []
    for path in (f"frontiers/{name}" for name in store.names("frontiers") if name.endswith(".json")):
        with store.leaving_out(path):
            if (record := store.read_record(path)) is not None:
                found.append(read_as(Frontier, record))
    return found
