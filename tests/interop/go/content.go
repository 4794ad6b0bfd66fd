package essaim

// Texts as devices exchange them, and where they stand in a conversation (messaging.md, 1 and 2).

import (
	"bytes"
	"slices"

	"google.golang.org/protobuf/proto"

	messagingv1 "essaim.example/gen/essaim/messaging/v1"
)

const (
	mostHeads       = 8
	highestPosition = 1 << 48
)

var authorshipLabel = []byte("essaim/authorship/v1")

// Conversation with one other account: what the next entry follows, and the ids that are known.
type Conversation struct {
	Position uint64
	Heads    [][]byte
	Known    [][]byte
}

// writeText makes a serialised Content; with is the other side's identity key.
func (conversation *Conversation) writeText(authorship, with []byte, text string, nowMs uint64) []byte {
	content := &messagingv1.Content{MessageId: random(16), SentMs: nowMs, Position: conversation.Position + 1,
		After: conversation.Heads, Body: &messagingv1.Content_Text{Text: &messagingv1.Text{Text: text}}}
	bare, err := proto.Marshal(content)
	if err != nil {
		panic(err) // the text is UTF-8: it came from an argument or was refused
	}
	conversation.follow(content)
	return slices.Concat(bare, []byte{0x9a, 0x01, 0x10}, markOf(authorship, with, bare))
}

// markOf an entry: by it the author's devices know it again.
func markOf(authorship, conversation, bare []byte) []byte {
	return mac(authorship, authorshipLabel, conversation, labelled(string(authorshipLabel), bare))[:16]
}

// readText gives the text, if this is one that was not known; of other entries only the place is kept.
func (conversation *Conversation) readText(encoded []byte) (string, bool) {
	var content messagingv1.Content
	if proto.Unmarshal(encoded, &content) != nil || len(content.MessageId) != 16 || !isEntry(&content) {
		return "", false
	}
	if slices.ContainsFunc(conversation.Known, func(id []byte) bool { return bytes.Equal(id, content.MessageId) }) {
		return "", false
	}
	content.Position = min(content.Position, highestPosition)
	conversation.follow(&content)
	return content.GetText().GetText(), content.GetText() != nil
}

func isEntry(content *messagingv1.Content) bool {
	switch content.Body.(type) {
	case *messagingv1.Content_Text, *messagingv1.Content_Reaction, *messagingv1.Content_Edit,
		*messagingv1.Content_Unsend, *messagingv1.Content_Timer, *messagingv1.Content_Moved:
		return true
	}
	return false
}

func (conversation *Conversation) follow(content *messagingv1.Content) {
	conversation.Position = max(conversation.Position, content.Position)
	conversation.Known = append(conversation.Known, content.MessageId)
	heads := slices.DeleteFunc(slices.Clone(conversation.Heads), func(head []byte) bool {
		return slices.ContainsFunc(content.After, func(id []byte) bool { return bytes.Equal(id, head) })
	})
	heads = append(heads, content.MessageId)
	conversation.Heads = heads[max(0, len(heads)-mostHeads):]
}
