"""The list of images that a run shows."""

from napari_diatom.counting.image_states import CountState, ImageState, merged_states


def test_rows_are_the_same_however_the_news_are_bundled():
    file = ImageState("stack.tif", "stack.tif", "stack.tif", "river")
    fields = [ImageState(f"stack.tif#{k}", "stack.tif", "stack.tif", "river", number=k) for k in (1, 2)]
    other = ImageState("field.png", "field.png", "field.png", "river", CountState.COUNTED)
    news = [file, other, *fields]
    one_by_one: list[ImageState] = []
    for bundle in ([file, other], fields):
        one_by_one = merged_states(one_by_one, bundle)
    assert [state.image for state in one_by_one] == ["stack.tif#1", "stack.tif#2", "field.png"]
    assert merged_states([], news) == one_by_one
    assert merged_states([file], news) == one_by_one
