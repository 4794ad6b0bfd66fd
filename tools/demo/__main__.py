"""`make demo`: starts a network, tells the story, ends the network."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from demo.report import Report, StepFailedError
from demo.story import Story
from push_receiver.receiver import Receiver
from testnet import Layout, Testnet


def main() -> int:
    """0 when every step worked, else 1."""
    options = _options()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="essaim-demo-"))
    report = Report(as_json=options.json)
    with Receiver(folder / "receiver") as receiver:
        layout = Layout(opengroups=1, pushes=1, push_flags=("--provider-ca", str(receiver.certificate)))
        complete = _told(Story(Testnet(folder / "network", layout), folder, report, receiver))
    if options.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return report.finish(complete=complete)


def _told(story: Story) -> bool:
    """Whether every step worked."""
    try:
        story.start()
        asyncio.run(story.tell())
    except (StepFailedError, KeyboardInterrupt):
        return False
    finally:
        story.net.down()
    return True


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, nothing else")
    parser.add_argument("--folder", type=Path, help="keep data, logs and keys here (default: a folder that is removed)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
