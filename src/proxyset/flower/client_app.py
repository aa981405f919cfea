"""The owner's side under Flower: one question, answered as `proxyset answer` does, or not at all.

Flower sends the text of an exception to the server. Ours name private items and counts of them, so none may leave this module:
whatever fails is logged here, on the owner's machine, and the reply is the same empty one as after a refusal.
"""

from __future__ import annotations

import logging

from proxyset.client.answer import answer_probe
from proxyset.client.gate import Gate
from proxyset.client.ledger import Ledger
from proxyset.client.private_data import Tally
from proxyset.client.shares import share_votes
from proxyset.flower import messages
from proxyset.flower.settings import NodeSettings
from proxyset.wire.probe import Probe

from flwr.app import Context, Message, RecordDict  # isort: skip - messages has told what to install
from flwr.clientapp import ClientApp  # isort: skip

app = ClientApp()
log = logging.getLogger("flwr.proxyset")  # under Flower's own logger, so that it is shown


@app.query(messages.ACTION)
def reply(message: Message, context: Context) -> Message:
    """A release, or, where the server names a task of two parties, a report; or nothing.

    Sensitivity:
        As `client.answer`; of a report, as `client.shares`.
    Unit:
        As the owner's settings say.
    Guarantee:
        What leaves is a release with the guarantee that it states, a report with its task's, or a constant. Nothing of the run's
        configuration is read. A report leaves only if the policy in the ledger accepts two-party sums and names the helper.
    Assumes:
        This code is what the SuperNode runs: it runs what the SuperLink sends, unless `--trusted-entities` says whose apps.
    """
    return Message(_content(message, context), reply_to=message)


def _tell(tally: Tally) -> bool:
    """The owner reads on this machine how the records were read; the answer leaves whatever that was."""
    (log.info if tally.whole else log.warning)("%s", "\n".join(tally.words()))
    return True


def _content(message: Message, context: Context) -> RecordDict:
    try:
        settings = NodeSettings.of_node(context.node_config)
        probe = Probe.from_bytes(messages.probe_of(message.content))
        gate = Gate(
            Ledger.open(settings.ledger),
            settings.server,
            approved=probe.fingerprint in settings.approved,
            confirm=_tell,
        )
        task = messages.task_of(message.content)
        if task is None:
            answer = answer_probe(probe, settings.data, settings.terms, gate, settings.dataset).to_bytes()
        else:
            answer = share_votes(
                probe, task, settings.data, settings.terms, gate, settings.dataset
            ).to_bytes()
    except Exception as error:  # noqa: BLE001 - Flower would send the text of whatever is not caught here
        log.error("no answer was sent: %s: %s", type(error).__name__, error)
        return messages.no_reply()
    return messages.reply(answer)
