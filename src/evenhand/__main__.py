"""``python -m evenhand``, and ``accelerate launch -m evenhand fit ...`` on several GPUs or machines."""

from __future__ import annotations

from evenhand.cli.main import main

if __name__ == "__main__":
    main()
