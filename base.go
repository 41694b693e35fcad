package pulp

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Base is what every object of the API has. Embed it in a model to get the fields
// pulp_href, prn, pulp_created and pulp_last_updated, and a key that means nothing outside
// the file (ID) beside one that is good for ever (PulpID).
type Base struct {
	ID        int64  `bun:"id,pk,autoincrement" json:"-"`
	PulpID    ID     `bun:"pulp_id" json:"-"`
	DomainID  int64  `bun:"domain_id" json:"-"`
	CreatedBy *int64 `bun:"created_by" json:"-"`
	Created   Time   `bun:"pulp_created,notnull" json:"pulp_created" pulp:"readonly" doc:"When it was made."`
	Updated   Time   `bun:"pulp_last_updated,notnull" json:"pulp_last_updated" pulp:"readonly" doc:"When it was last changed."`
}

func (b *Base) base() *Base { return b }

// Resource returns the object's PulpID, so that any object can be reserved.
func (b *Base) Resource() string { return b.PulpID.String() }

// A record is a model that embeds Base.
type record interface{ base() *Base }

// Named is what objects with a name have beside Base.
type Named struct {
	Name   string `bun:"name" json:"name" validate:"required" pulp:"filter,unique" doc:"A unique name."`
	Labels Labels `bun:"pulp_labels,type:json" json:"pulp_labels" doc:"A map of keys to values that the user chooses."`
}

func (n *Named) named() *Named { return n }

// Labels are a user's own keys and values on an object; a value may be null.
type Labels map[string]*string

// Value makes an empty object of no labels.
func (l Labels) Value() (driver.Value, error) {
	if l == nil {
		return "{}", nil
	}
	b, err := json.Marshal(map[string]*string(l))
	return string(b), err
}

// Scan reads what Value wrote.
func (l *Labels) Scan(src any) error { return scanJSON(src, (*map[string]*string)(l)) }

func scanJSON(src, dst any) error {
	switch v := src.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(v), dst)
	case []byte:
		return json.Unmarshal(v, dst)
	}
	return fmt.Errorf("scan JSON: unexpected %T", src)
}

// An ID names an object for ever: a UUIDv7, so that IDs made later sort later.
type ID [16]byte

// NewID makes an ID of the present time.
func NewID() ID { return ID(uuid.Must(uuid.NewV7())) }

// ParseID reads the text form of an ID, in lower or upper case, with hyphens.
func ParseID(s string) (ID, error) {
	if len(s) != 36 {
		return ID{}, fmt.Errorf("%q is no UUID", s)
	}
	u, err := uuid.Parse(s)
	if err != nil {
		return ID{}, fmt.Errorf("%q is no UUID", s)
	}
	return ID(u), nil
}

// String returns the text form in lower case, with hyphens.
func (id ID) String() string { return uuid.UUID(id).String() }

// MarshalText returns the text form.
func (id ID) MarshalText() ([]byte, error) { return uuid.UUID(id).MarshalText() }

// UnmarshalText reads the text form.
func (id *ID) UnmarshalText(b []byte) error {
	v, err := ParseID(string(b))
	if err == nil {
		*id = v
	}
	return err
}

// Value stores 16 bytes.
func (id ID) Value() (driver.Value, error) { return id[:], nil }

// Scan reads 16 bytes.
func (id *ID) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(id) {
		return fmt.Errorf("scan ID: unexpected %T", src)
	}
	copy(id[:], b)
	return nil
}

// Time is a point in time in microseconds since 1970 UTC, as the database stores it; zero is
// "never". Integers make lists of objects twice as fast as times in text do.
type Time int64

// TimeOf converts t, dropping what is finer than a microsecond.
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixMicro())
}

// Time converts to the standard library's, in UTC. Zero becomes the zero time.
func (t Time) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(t)).UTC()
}

// Value stores the number; without it, what leads to a Time would be stored as JSON.
func (t Time) Value() (driver.Value, error) { return int64(t), nil }

// String is the JSON form without quotes: ISO 8601 in UTC with Z, microseconds left out
// only when zero.
func (t Time) String() string { return string(t.append(nil)) }

func (t Time) append(b []byte) []byte {
	if t%1e6 == 0 {
		return t.Time().AppendFormat(b, "2006-01-02T15:04:05Z")
	}
	return t.Time().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
}

// MarshalJSON writes null for zero.
func (t Time) MarshalJSON() ([]byte, error) {
	if t == 0 {
		return []byte("null"), nil
	}
	return append(t.append([]byte{'"'}), '"'), nil
}

// UnmarshalJSON reads RFC 3339, or null.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if s == nil {
		*t = 0
		return nil
	}
	v, err := parseTime(*s)
	*t = v
	return err
}

// parseTime reads a date with or without a time and a zone; none means UTC.
func parseTime(s string) (Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if v, err := time.Parse(layout, s); err == nil {
			return TimeOf(v), nil
		}
	}
	return 0, fmt.Errorf("%q is no date and time", s)
}

// Secret is text that is stored sealed with the App's key and never leaves in an answer or
// a log. [App.Reveal] opens it.
type Secret string

// String hides the text.
func (Secret) String() string { return "(secret)" }

// GoString hides the text.
func (Secret) GoString() string { return "(secret)" }

// None is the detail of a type that adds no fields to its kind.
type None struct{}
