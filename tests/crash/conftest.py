"""The crash ring lives in the surroundings of the engine ring."""

from tests.engine import conftest as engine

surroundings = engine.surroundings
folder = engine.folder
state = engine.state
bulkbind = engine.bulkbind
serve = engine.serve
remote = engine.remote
