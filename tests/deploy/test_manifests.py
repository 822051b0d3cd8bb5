"""Static checks of docker-compose.yml, docker/ and k8s/: what no schema sees."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.common.settings import CommonSettings
from services.detector.settings import DetectorSettings
from services.extractor.settings import ExtractorSettings
from services.indexer.settings import IndexerSettings

ROOT = Path(__file__).parents[2]
SETTINGS: dict[str, type[CommonSettings]] = {
    "DETECTOR": DetectorSettings,
    "EXTRACTOR": ExtractorSettings,
    "INDEXER": IndexerSettings,
}
INDEXER_ROUTES = ("galleries", "jobs", "keys")


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def manifests() -> list[dict[str, Any]]:
    folder = ROOT / "k8s" / "base"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    return [document for name in listed for document in yaml.safe_load_all((folder / name).read_text())]


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [document for document in manifests() if document["kind"] in kinds]


def is_a_setting(name: str) -> bool:
    """Whether an environment variable is read by a service."""
    rest = name.removeprefix("KENSPECKLE_")
    service, _, field = rest.partition("_")
    common = set(CommonSettings.model_fields)
    if service in SETTINGS and field.lower() in set(SETTINGS[service].model_fields) - common:
        return True
    return rest.lower() in common


def test_every_environment_variable_is_a_setting() -> None:
    text = "\n".join(
        path.read_text()
        for path in (ROOT / "docker-compose.yml", ROOT / "docker" / "Dockerfile", ROOT / "k8s" / "base" / "config.yaml")
    )
    text = re.sub(r"\$\{[^}]*\}|^#.*$", "", text, flags=re.MULTILINE)  # what compose itself reads
    named = set(re.findall(r"\b(KENSPECKLE_[A-Z_]+)[:=]", text))
    assert len(named) >= 5
    assert [name for name in sorted(named) if not is_a_setting(name)] == []


def test_compose_publishes_only_the_edge() -> None:
    services = compose()["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["edge"]
    for name in ("detector", "extractor", "indexer"):
        assert services[name]["networks"] == ["inside"]
        assert services[name]["read_only"] is True
    assert compose()["networks"]["inside"]["internal"] is True


def test_compose_will_not_start_without_a_key() -> None:
    for name in ("detector", "extractor", "indexer"):
        assert ":?" in compose()["services"][name]["environment"]["KENSPECKLE_ADMIN_KEY"]


def test_build_targets_exist() -> None:
    stages = set(re.findall(r"^FROM .* AS (\w+)$", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE))
    for service in compose()["services"].values():
        if "build" in service:
            assert service["build"]["target"] in stages
            assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_copied_paths_are_in_the_build_context() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "docker" / "Dockerfile").read_text(), re.MULTILINE)
    sources = [source for line in copies for source in line.split()]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(source == path or source.startswith(path + "/") for path in kept), source


def test_dockerfile_needs_no_buildkit() -> None:
    text = (ROOT / "docker" / "Dockerfile").read_text()
    assert not re.search(r"^# syntax=|--mount|--chmod|--link|<<", text, re.MULTILINE)


def test_services_select_pods_that_exist_by_a_named_port() -> None:
    pods = [workload["spec"]["template"] for workload in of_kind("Deployment", "StatefulSet")]
    services = of_kind("Service")
    assert len(services) == 3
    for service in services:
        wanted = service["spec"]["selector"].items()
        chosen = [pod for pod in pods if wanted <= pod["metadata"]["labels"].items()]
        assert len(chosen) == 1, service["metadata"]["name"]
        ports = {port["name"] for c in chosen[0]["spec"]["containers"] for port in c["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_workloads_select_their_own_pods() -> None:
    for workload in of_kind("Deployment", "StatefulSet"):
        spec = workload["spec"]
        assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


def test_config_maps_and_volumes_that_pods_name_exist() -> None:
    maps = {document["metadata"]["name"] for document in of_kind("ConfigMap")}
    for workload in of_kind("Deployment", "StatefulSet"):
        spec = workload["spec"]["template"]["spec"]
        volumes = {volume["name"] for volume in spec["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
        for container in spec["containers"]:
            assert {source["configMapRef"]["name"] for source in container["envFrom"]} <= maps
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_probes_ask_routes_that_the_services_have() -> None:
    for workload in of_kind("Deployment", "StatefulSet"):
        for container in workload["spec"]["template"]["spec"]["containers"]:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                assert container[probe]["httpGet"]["path"] in ("/readyz", "/livez")
                assert container[probe]["httpGet"]["port"] == "http"


def test_ingress_and_edge_route_the_same_paths_to_the_indexer() -> None:
    paths = of_kind("Ingress")[0]["spec"]["rules"][0]["http"]["paths"]
    to_indexer = {p["path"].strip("/") for p in paths if p["backend"]["service"]["name"] == "indexer"}
    edge = (ROOT / "docker" / "edge.conf").read_text()
    match = re.search(r"location ~ \^/\(([a-z|]+)\)\(/\|\$\)", edge)
    assert match
    assert to_indexer == set(match[1].split("|")) == set(INDEXER_ROUTES)
    assert {p["backend"]["service"]["name"] for p in paths} == {"indexer", "detector"}
    assert "extractor" not in re.findall(r"proxy_pass http://(\w+)", edge)


def test_images_are_the_same_in_compose_and_in_the_manifests() -> None:
    built = {service["image"] for service in compose()["services"].values() if "build" in service}
    run = {
        container["image"]
        for workload in of_kind("Deployment", "StatefulSet")
        for container in workload["spec"]["template"]["spec"]["containers"]
    }
    assert built == run


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed: kustomize is not run")
def test_kustomize_renders() -> None:
    done = subprocess.run(["kubectl", "kustomize", str(ROOT / "k8s" / "base")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list(yaml.safe_load_all(done.stdout))) == len(manifests())


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed: config is not run")
def test_compose_file_is_read_by_compose() -> None:
    done = subprocess.run(
        ["docker-compose", "--file", str(ROOT / "docker-compose.yml"), "config", "--quiet"],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "KENSPECKLE_ADMIN_KEY": "a-key-for-the-test"},
    )
    assert done.returncode == 0, done.stderr
