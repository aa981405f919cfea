"""The compose file and the Kubernetes base: by their schemas, and by what they have to agree about."""

import json
import re
from importlib import resources
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import typer.main
import yaml

from proxyset.cli import app
from proxyset_lab.service.nginx import SHIPPED

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
BASE = DEPLOY / "kubernetes"
KUSTOMIZATION = yaml.safe_load((BASE / "kustomization.yaml").read_text())
OBJECTS = [
    each for name in KUSTOMIZATION["resources"] for each in yaml.safe_load_all((BASE / name).read_text())
]
VERSIONS = ("1.29", "1.33")


def one(kind, name):
    (found,) = (each for each in OBJECTS if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def container(kind, name):
    (found,) = one(kind, name)["spec"]["template"]["spec"]["containers"]
    return found


def compose_schema():
    folder = resources.files("check_jsonschema.builtin_schemas.vendor")
    return json.loads((folder / "compose-spec.json").read_text())


def test_compose_is_what_its_schema_says():
    jsonschema.validate(COMPOSE, compose_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(COMPOSE | {"servises": {}}, compose_schema())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("each", OBJECTS, ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_kubernetes_objects_are_what_their_schemas_say(each, version):
    kubernetes_validate.validate(each, version, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(each | {"specs": {}}, version, strict=True)


def test_the_base_has_every_file():
    named = set(KUSTOMIZATION["resources"]) | {"kustomization.yaml", "database.env"}
    assert {path.name for path in BASE.iterdir()} == named


@pytest.mark.parametrize(
    "arguments",
    [COMPOSE["services"]["server-1"]["command"], container("Deployment", "server")["args"]],
    ids=["compose", "kubernetes"],
)
def test_the_command_line_knows_every_option(arguments):
    name, *options = arguments
    serve = typer.main.get_command(app).get_command(None, name)
    given = serve.make_context(name, list(options), resilient_parsing=False).params
    assert given["state"] == "postgresql://proxyset@database/proxyset?files=/files"
    assert given["proxies"] and given["public_url"] and given["port"] == 8080


def test_two_servers_that_nginx_and_the_ingress_find():
    servers = {name for name in COMPOSE["services"] if name.startswith("server-")}
    assert {f"server-{number}" for number in (1, 2)} == servers
    assert set(re.findall(r"server (server-\d):8080", SHIPPED.read_text())) == servers
    assert one("Deployment", "server")["spec"]["replicas"] == 2
    (rule,) = one("Ingress", "proxyset")["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    service = one("Service", backend["name"])["spec"]
    assert backend["port"]["name"] in {port["name"] for port in service["ports"]}
    labels = one("Deployment", "server")["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    assert service["ports"][0]["targetPort"] in {
        port["name"] for port in container("Deployment", "server")["ports"]
    }


def test_what_is_generated_is_what_is_used():
    generated = {
        each["name"] for each in KUSTOMIZATION["configMapGenerator"] + KUSTOMIZATION["secretGenerator"]
    }
    used = set(
        re.findall(
            r"(?:configMapRef|secretKeyRef): {name: ([\w-]+)", "".join(p.read_text() for p in BASE.iterdir())
        )
    )
    assert used == generated
    literals = {each.partition("=")[0] for each in KUSTOMIZATION["configMapGenerator"][0]["literals"]}
    assert set(re.findall(r"\$\((\w+)\)", (BASE / "servers.yaml").read_text())) == literals
    claims = {each["metadata"]["name"] for each in OBJECTS if each["kind"] == "PersistentVolumeClaim"}
    volumes = one("Deployment", "server")["spec"]["template"]["spec"]["volumes"]
    assert {
        each["persistentVolumeClaim"]["claimName"] for each in volumes if "persistentVolumeClaim" in each
    } == claims
