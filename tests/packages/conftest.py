"""Systems with the packages, one for each release."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
pytest.register_assert_rewrite("support")

from debian import RELEASES, System, copy_source, lib, run  # noqa: E402

VERSION = "0.1.0"


@pytest.fixture(scope="session")
def packages():
    """packages(release): the packages that were built inside it."""
    built = {}

    def build(release):
        if release not in built:
            system = System(release, "builder", keep=True)
            try:
                system.install(*lib("build_packages"), *lib("module_packages"), "scdoc", "dpkg-dev", "file")
                copy_source(system.path("project"))
                system.sh("""cd /project; rm -f /tmp/package/*.deb
                    cmake --preset release -B /tmp/package -DCMAKE_INSTALL_PREFIX=/usr; cmake --build /tmp/package
                    cd /tmp/package; cpack""")
                built[release] = sorted(system.path("tmp/package").glob("*.deb"))
            finally:
                system.close()
        return built[release]

    yield build


@pytest.fixture(scope="module", params=RELEASES)
def installed(request, packages):
    """A fresh system in which both packages were installed."""
    system = System(request.param, "fresh")
    try:
        system.path("packages").mkdir()
        for package in packages(request.param):
            run("cp", str(package), str(system.path("packages")))
        system.install("/packages/*.deb")
        yield system
    finally:
        system.close()
