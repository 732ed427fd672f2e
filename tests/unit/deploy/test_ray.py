"""The example for Ray Serve names what exists; tests/e2e/serving/test_ray.py runs it if Ray is installed."""

import re

import yaml
from places import ROOT

from evenhand.service.settings import PREFIX, Settings


def test_the_example_names_settings_that_there_are_and_the_application() -> None:
    document = yaml.safe_load((ROOT / "deploy/ray/serve.yaml").read_text())
    (application,) = document["applications"]
    names = set(application["runtime_env"]["env_vars"])
    assert names <= {PREFIX + name.upper() for name in Settings.model_fields}
    module, variable = application["import_path"].split(":")
    source = (ROOT / "src" / (module.replace(".", "/") + ".py")).read_text()
    assert re.search(rf"^{variable} = ", source, re.MULTILINE)
    (deployment,) = application["deployments"]
    assert f'name="{deployment["name"]}"' in source
