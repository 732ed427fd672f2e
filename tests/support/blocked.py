"""A program's first lines, after which the packages that only training needs are as if not installed."""

NO_TRAINING = """
import importlib.abc, sys

class NotInstalled(importlib.abc.MetaPathFinder):
    packages = {
        "torch", "sklearn", "transformers", "peft", "onnx", "datasets", "accelerate", "fairlearn",
        "safetensors", "pyarrow",
    }

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
"""
