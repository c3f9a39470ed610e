"""The bill of materials, in CycloneDX."""

from datetime import datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from release.parts import Part, is_spdx
from spatial.settings import VERSION


def write_bill(file: Path, parts: list[Part], at: datetime) -> None:
    """Write the list of what the product stands on; the same parts at the same instant are the same bytes."""
    product = Component(name="twingrid", version=VERSION, type=ComponentType.APPLICATION, bom_ref="twingrid")
    listed = [_component(part) for part in parts]
    serial = uuid5(NAMESPACE_URL, " ".join(str(one.purl) for one in listed))
    bill = Bom(components=listed, metadata=BomMetaData(component=product, timestamp=at), serial_number=serial)
    bill.register_dependency(product, listed)
    make_outputter(bill, OutputFormat.JSON, SchemaVersion.V1_6).output_to_file(
        str(file), allow_overwrite=True, indent=1
    )


def _component(part: Part) -> Component:
    url = PackageURL(part.kind, "debian" if part.kind == "deb" else None, part.name, part.version)
    stated = LicenseExpression(part.licence) if is_spdx(part.licence) else DisjunctiveLicense(name=part.licence)
    return Component(
        name=part.name,
        version=part.version,
        type=ComponentType.LIBRARY,
        licenses=[stated],
        purl=url,
        bom_ref=str(url),
    )
