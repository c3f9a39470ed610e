"""What is done with the whole product: a bundle for machines without network, the list of what it stands on."""
