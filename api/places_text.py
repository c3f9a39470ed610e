"""Places told in words, for people."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.places_out import ToldOut
from maps.texts import say

SURE, UNSURE = 0.8, 0.4  # confidence from which it is shown in green, and below which it is dim


def show_places(told: ToldOut, lang: str) -> None:
    """Print what a text says: its coordinates, or a line for each place it may mean."""
    console = Console()
    if one := told.written:
        system = one.crs if one.provider is None else f"{one.provider}, {one.crs}"
        form = say(f"places.form.{one.form}", lang)
        values = {
            "lon": f"{one.lon:.6f}",
            "lat": f"{one.lat:.6f}",
            "form": form,
            "system": system,
            "accuracy": f"{one.accuracy_m:g}",
        }
        console.print(Text(say("places.written", lang, **values)), soft_wrap=True)
        for caution in one.cautions:
            console.print(Text(caution, style="yellow"), soft_wrap=True)
    elif told.hint:
        console.print(Text(told.hint), soft_wrap=True)
    else:
        heads = ("confidence", "head-kind", "text", "lon", "lat", "accuracy", "head-why")
        table = Table()
        for head in heads:
            table.add_column(say(f"places.{head}", lang), overflow="fold")
        for found in told.items:
            style = "green" if found.confidence >= SURE else "dim" if found.confidence < UNSURE else ""
            table.add_row(
                Text(f"{found.confidence:.2f}", style=style), say(f"places.kind.{found.kind}", lang), Text(found.text),
                f"{found.lon:.6f}", f"{found.lat:.6f}", f"{found.accuracy_m:g} m", Text("\n".join(found.reasons)),
            )  # fmt: skip
        console.print(table)
