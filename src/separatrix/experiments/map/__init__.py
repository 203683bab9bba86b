"""The map: architecture × task, each cell what is proved, built and found there, or open."""

from separatrix.experiments.map.cells import Fact, Map, MapCell, Status
from separatrix.experiments.map.make import make_map, standard_models, standard_tasks

__all__ = ["Fact", "Map", "MapCell", "Status", "make_map", "standard_models", "standard_tasks"]
