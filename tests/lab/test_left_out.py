from proxyset_lab.left_out import page


def test_what_is_lost_is_told_for_each_data_set():
    text = page(["digits-small"])
    (row,) = (line for line in text.splitlines() if line.startswith("| digits-small"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    items, groups, test, client, own, others, by_group = (int(cell.replace(",", "")) for cell in cells[1:8])
    assert items == 12_500 and groups < items and by_group == 0  # fonts draw one domain alone
    assert test + client + own + others + int(cells[9]) == items and 0.9 < float(cells[8]) < 1
