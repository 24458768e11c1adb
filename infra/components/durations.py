"""Durations as Docker reads them back."""


def go_duration(seconds: float) -> str:
    """The form of Go's `time.Duration.String`: "1m30s", "500ms". Any other form changes on every `up`.

    Whole milliseconds only. Raises ValueError for what is negative or finer.
    """
    milliseconds = round(seconds * 1000)
    if milliseconds < 0 or abs(milliseconds - seconds * 1000) > 1e-6:
        raise ValueError(f"not a whole number of milliseconds: {seconds} s")
    if milliseconds == 0:
        return "0s"
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    whole, rest = divmod(milliseconds, 1000)
    hours, minutes = whole // 3600, whole % 3600 // 60
    fraction = f".{rest:03d}".rstrip("0") if rest else ""
    shown = f"{whole % 60}{fraction}s"
    if hours:
        return f"{hours}h{minutes}m{shown}"
    return f"{minutes}m{shown}" if minutes else shown
