package essaim

import "testing"

func TestPuzzles(t *testing.T) {
	vectors := load[mailboxVectors](t, "mailbox")
	_, _, _, mailboxes := vectors.mailboxes()
	for _, each := range vectors.Puzzles {
		id := mailboxes[each.Mailbox].ID
		if !isSolved(id, each.Subject, each.Solution, each.Bits) || isSolved(id, each.Subject, each.Solution, 40) {
			t.Fatalf("the puzzle of %s", each.Mailbox)
		}
	}
}
