package httpapi

import (
	"bufio"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"

	"github.com/gopulp/pulp"
)

// sendListing writes the page of a directory while its entries are read. An error before the
// first entry is answered as such; later the connection is cut, since a page that merely
// ends would say that there is no more.
func (s *server) sendListing(w http.ResponseWriter, r *http.Request, l *pulp.Listing) {
	page := bufio.NewWriterSize(w, 32<<10)
	begun := false
	begin := func() {
		begun = true
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox allow-downloads")
		writeHead(page, l.Path)
	}
	if r.Method == http.MethodHead {
		begin()
		return
	}
	for entry, err := range l.Entries {
		if err != nil && !begun {
			s.failText(w, r, err)
			return
		}
		if err != nil {
			s.judge(r, err)
			panic(http.ErrAbortHandler)
		}
		if !begun {
			begin()
		}
		writeEntry(page, entry)
	}
	if !begun {
		begin()
	}
	page.WriteString("</pre><hr></body>\n</html>\n")
	page.Flush() // an error means that the client has left
}

// writeHead begins the page. The names in it come from strangers.
func writeHead(w *bufio.Writer, path string) {
	path = "/" + strings.TrimPrefix(path, "/")
	title := "Index of " + html.EscapeString(path)
	fmt.Fprintf(w, "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"><title>%s</title></head>\n", title)
	fmt.Fprintf(w, "<body>\n<h1>%s</h1>\n<hr><pre>", title)
	if path != "/" {
		w.WriteString("<a href=\"../\">../</a>\n")
	}
}

// nameWidth is the width of the column of names.
const nameWidth = 60

func writeEntry(w *bufio.Writer, e pulp.Entry) {
	date, size := "-", "-"
	if e.Modified != 0 {
		date = e.Modified.Time().Format("02-Jan-2006 15:04")
	}
	if e.Size >= 0 {
		size = humanSize(e.Size)
	}
	gap := strings.Repeat(" ", max(1, nameWidth-len([]rune(e.Name))))
	fmt.Fprintf(w, "<a href=\"%s\">%s</a>%s%17s %10s\n", html.EscapeString(reference(e.Name)), html.EscapeString(e.Name), gap, date, size)
}

// reference is the relative URL of an entry, whatever its name looks like.
func reference(name string) string {
	bare, isDir := strings.CutSuffix(name, "/")
	ref := url.PathEscape(bare)
	if strings.Contains(ref, ":") {
		ref = "./" + ref // else "a:b" would name a scheme
	}
	if isDir {
		ref += "/"
	}
	return ref
}

// humanSize writes "512 Bytes", "1.4 MB", in powers of 1000.
func humanSize(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d Bytes", n)
	}
	size, unit := float64(n)/1000, 0
	for size >= 999.95 && unit < len("kMGTPE")-1 {
		size, unit = size/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", size, "kMGTPE"[unit])
}
