"""proxyset distill: a small student for the client, taught on the proxy set."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from proxyset.cli import options
from proxyset.cli.output import emit, note, progress, warn_private


def distill(
    proxy: options.ProxyFolder,
    teacher: Annotated[
        str, typer.Option(help="The teacher: an ONNX file that proxyset exported, its folder, or a URL.")
    ],
    out: Annotated[str, typer.Option(help="Folder for the students, or its URL; it must not exist.")],
    student: Annotated[
        str, typer.Option(help="auto takes the largest that fits; or cnn-8, cnn-16 …")
    ] = "auto",
    max_bytes: Annotated[
        int | None, typer.Option(help="Of the student's ONNX file.", min=1, show_default=False)
    ] = None,
    max_macs: Annotated[
        int | None, typer.Option(help="Multiply-adds of one image.", min=1, show_default=False)
    ] = None,
    precision: Annotated[
        Literal["int8", "float32"], typer.Option(help="Of the file that has to fit; both are written.")
    ] = "int8",
    test: Annotated[
        str | None,
        typer.Option(help="Labeled public images to measure with; never private ones.", show_default=False),
    ] = None,
    steps: Annotated[int, typer.Option(help="Of the optimizer.", min=1)] = 2000,
    batch_size: Annotated[int, typer.Option(help="Images a step.", min=1)] = 64,
    temperature: Annotated[float, typer.Option(help="Softens both distributions.")] = 4.0,
    label_weight: Annotated[float, typer.Option(help="Of true labels beside the teacher's answers.")] = 0.0,
    weighted: options.Weighted = False,
    flip: Annotated[
        bool, typer.Option(help="A mirror image shows the same thing (not so for digits).")
    ] = False,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    teacher_saw_private: Annotated[
        bool, typer.Option("--teacher-saw-private", help="The teacher was trained on private items.")
    ] = False,
    public_inputs: options.PublicInputs = False,
    licence: Annotated[str, typer.Option(help="Terms of the student's weights.")] = "",
    json: options.Json = False,
) -> None:
    """Distil a teacher on a proxy set into the largest student that fits, as ONNX in float32 and int8, and measure it.

    Example: proxyset distill proxy --teacher teacher.onnx --max-bytes 100000 --out student
    """
    from proxyset.cloud.proxy_set import ProxySet
    from proxyset.jobs.compression import Budget, compress, markdown
    from proxyset.train.distillation import Teaching
    from proxyset.train.loop import Run
    from proxyset.train.settings import Settings

    opened = ProxySet.open(proxy)
    settings = Settings(steps=steps, batch_size=batch_size, flip=flip, seed=seed)
    rule = Teaching(temperature=temperature, label_weight=label_weight)
    with progress() as advance:
        run = Run(device=device, on_step=lambda done, total: advance("distilling", done, total), warn=note)
        report = compress(
            opened,
            teacher,
            out,
            student=student,
            budget=Budget(max_bytes, max_macs, precision),
            settings=settings,
            rule=rule,
            test=test,
            weighted=weighted,
            teacher_saw_private=teacher_saw_private,
            public_inputs=public_inputs,
            licence=licence,
            run=run,
        )
    if report.lineage.private:
        warn_private(
            "the teacher saw private items, so what it taught may tell about them. The students' cards say so"
        )
    words = f"{out}: sign the one you send with `proxyset model sign`\n\n{markdown(report)}"
    emit({"out": str(out), **report.model_dump(mode="json")}, words, json)
