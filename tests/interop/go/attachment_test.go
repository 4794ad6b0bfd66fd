package essaim

import (
	"crypto/sha256"
	"slices"
	"testing"
)

type attachmentVectors struct {
	Key, Header octets
	StreamKey   octets   `json:"stream_key"`
	DeleteSeeds []octets `json:"delete_seeds"`
	DeleteKeys  []octets `json:"delete_keys"`
	Files       []struct {
		Size      int
		BlobSizes []int    `json:"blob_sizes"`
		Sums      []octets `json:"blob_sha256"`
		Names     []octets
	}
}

const attachmentSalt = "essaim/attachment/v1"

func deleteKey(fileKey []byte, piece int) PlainKey {
	info := append([]byte("delete"), u32(uint32(piece))...)
	return newPlainKey(derive(fileKey, []byte(attachmentSalt), info, 32))
}

// blobName is the mailbox id of a blob (mailbox.md, 1).
func blobName(eraser, content []byte) []byte {
	hash, class := labelled("essaim/content/v1", content), slices.Index(envelopeSizes, len(content))
	return labelled("essaim/blob/v1", u8(5), nobody, nobody, eraser, hash, u8(class))
}

// sealFile gives the pieces of a file (attachments.md, 2).
func sealFile(key, header, content []byte) [][]byte {
	stream, pieces, front := newStream(derive(key, []byte(attachmentSalt), []byte("stream"), 32), header), [][]byte{}, header
	for {
		room := 253952 - len(front) - 17
		if len(content) <= room {
			room = sizeFor(len(content)+len(front)+17) - len(front) - 17
			last := append(slices.Clone(content), make([]byte, room-len(content))...)
			return append(pieces, slices.Concat(front, stream.push(streamFinal, last, nil)))
		}
		pieces = append(pieces, slices.Concat(front, stream.push(streamMessage, content[:room], nil)))
		content, front = content[room:], nil
	}
}

func contentOf(size int) (content []byte) {
	for number := 0; len(content) < size; number++ {
		sum := sha256.Sum256(slices.Concat(u32(uint32(size)), u32(uint32(number))))
		content = append(content, sum[:]...)
	}
	return content[:size]
}

func TestFilesAreSealedInTheSamePiecesUnderTheSameNames(t *testing.T) {
	vectors := load[attachmentVectors](t, "attachment")
	equal(t, "stream key", derive(vectors.Key, []byte(attachmentSalt), []byte("stream"), 32), vectors.StreamKey)
	for piece, wanted := range vectors.DeleteKeys {
		equal(t, "delete key", deleteKey(vectors.Key, piece).Public(), wanted)
	}
	for _, file := range vectors.Files {
		pieces := sealFile(vectors.Key, vectors.Header, contentOf(file.Size))
		if len(pieces) != len(file.Names) {
			t.Fatalf("%d bytes in %d pieces", file.Size, len(pieces))
		}
		for at, piece := range pieces {
			sum := sha256.Sum256(piece)
			equal(t, "piece", sum[:], file.Sums[at])
			equal(t, "name", blobName(deleteKey(vectors.Key, at).Public(), piece), file.Names[at])
		}
	}
}

func TestPiecesOpenInTheirOrderAlone(t *testing.T) {
	vectors := load[attachmentVectors](t, "attachment")
	content := contentOf(600000)
	pieces := sealFile(vectors.Key, vectors.Header, content)
	pieces[0] = pieces[0][24:]
	stream, opened := newStream(vectors.StreamKey, vectors.Header), []byte{}
	_, _, err := stream.pull(pieces[1], nil)
	refusedWith(t, err, "MALFORMED")
	for at, piece := range pieces {
		tag, part, err := stream.pull(piece, nil)
		must(t, err)
		if (tag == streamFinal) != (at == len(pieces)-1) {
			t.Fatalf("tag %d of piece %d", tag, at)
		}
		opened = append(opened, part...)
	}
	equal(t, "content", opened[:len(content)], content)
}
