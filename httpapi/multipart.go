package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"

	"github.com/gopulp/pulp"
)

// maxParts is how many parts a multipart form may have.
const maxParts = 1000

// readMultipart reads a form part by part: text into fields, files into the storage.
func (s *server) readMultipart(ctx context.Context, body *bufio.Reader, boundary string, in *pulp.Input) error {
	if boundary == "" {
		return malformed(errors.New("no boundary"))
	}
	parts, f, left := multipart.NewReader(body, boundary), form{}, s.bodyLimit
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		switch {
		case errors.Is(err, io.EOF):
			in.Fields = f.fields()
			return nil
		case err != nil:
			return malformed(err)
		case n == maxParts:
			return malformed(fmt.Errorf("more than %d parts", maxParts))
		case part.FormName() == "":
			return malformed(errors.New("a part without a name"))
		case part.FileName() != "":
			err = s.receive(ctx, part, in)
		default:
			left, err = f.readPart(part, left, s.bodyLimit)
		}
		if err != nil {
			return err
		}
	}
}

// receive stores the file in a part; it replaces an earlier one of the same field.
func (s *server) receive(ctx context.Context, part *multipart.Part, in *pulp.Input) error {
	source := &watched{r: part}
	file, err := s.app.Receive(ctx, source)
	switch {
	case source.err != nil:
		return malformed(source.err)
	case err != nil:
		return fmt.Errorf("receive file %q: %w", part.FormName(), err)
	}
	file.Name = part.FileName()
	if in.Files == nil {
		in.Files = map[string]*pulp.Incoming{}
	}
	if old := in.Files[part.FormName()]; old != nil {
		old.Discard()
	}
	in.Files[part.FormName()] = file
	return nil
}

// readPart reads a text of at most left bytes and returns what is left then of limit.
func (f form) readPart(part *multipart.Part, left, limit int64) (int64, error) {
	data, err := io.ReadAll(io.LimitReader(part, left+1))
	if err != nil {
		return 0, malformed(err)
	}
	if left -= int64(len(data)); left < 0 {
		return 0, &http.MaxBytesError{Limit: limit}
	}
	return left, f.add(part.FormName(), string(data))
}

func malformed(err error) error {
	return refuse(http.StatusBadRequest, "Multipart form parse error - %v", err)
}

// watched remembers the error of reading, which is the client's fault, whereas what else
// goes wrong with a file is not.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}
