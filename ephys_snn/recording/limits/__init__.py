"""What a recording cannot tell: beyond its resolution, its stable units, its observed time."""
