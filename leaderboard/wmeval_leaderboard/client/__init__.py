"""What a submitter's machine does: pack a run, sign it, send what the server lacks, answer a challenge."""
