package httpapi

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
)

// correlationHeader is written to the wire in exactly this spelling, which clients look for;
// net/http would make "Correlation-Id" of it.
const correlationHeader = "Correlation-ID"

// correlate finds or makes the id that ties together a request, its log lines and its tasks,
// and puts it into the answer.
func correlate(w http.ResponseWriter, r *http.Request) string {
	id := r.Header.Get(correlationHeader)
	if !validCorrelation(id) {
		var b [16]byte
		rand.Read(b[:]) // never fails: it ends the program instead
		id = hex.EncodeToString(b[:])
	}
	w.Header()[correlationHeader] = []string{id}
	w.Header()["Access-Control-Expose-Headers"] = []string{correlationHeader}
	return id
}

// validCorrelation accepts 32 hex digits, or a UUID with its hyphens. Anything else could
// forge log lines.
func validCorrelation(id string) bool {
	if len(id) == 36 {
		for _, i := range [...]int{8, 13, 18, 23} {
			if id[i] != '-' {
				return false
			}
		}
		id = strings.ReplaceAll(id, "-", "")
	}
	_, err := hex.DecodeString(id)
	return len(id) == 32 && err == nil
}
