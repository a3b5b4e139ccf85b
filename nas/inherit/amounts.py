"""How many pictures are looked at: fewer where they are large, because each then holds as many positions as several."""

_LARGE = 224


def pictures_at(count: int, imgsz: int) -> int:
    """Pictures at an input size: from 224 px up as many positions in all, and at least an eighth of the pictures.

    Args:
        count: How many at 224 px and below.
        imgsz: Side of the square input in pixels.
    """
    return max(1, count // 8, min(count, round(count * (_LARGE / imgsz) ** 2)))


def batch_at(imgsz: int) -> int:
    """Pictures that are computed at once, so that the maps of a large size fit into memory.

    Args:
        imgsz: Side of the square input in pixels.
    """
    return pictures_at(16, imgsz)
