package pulp

import (
	"bytes"
	"encoding"
	"encoding/json"
	"maps"
	"math"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decodeString reads text; a number is the text in which it is written.
func decodeString(raw json.RawMessage) (string, error) {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, nil
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String(), nil
	}
	return "", sentence("Not a valid string.")
}

// unquoted returns the text of a value that a form sent as a string.
func unquoted(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return strings.TrimSpace(s)
	}
	return string(bytes.TrimSpace(raw))
}

// decodeKind reads every kind but strings; forms send all values as strings.
func decodeKind(raw json.RawMessage, v reflect.Value) error {
	text := unquoted(raw)
	switch {
	case v.Type() == timeType || v.Type() == stdTime:
		return decodeTime(text, v)
	case v.Type() == rawType:
		if (strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[")) && json.Valid([]byte(text)) {
			raw = json.RawMessage(text) // a form's way to send an object or a list
		}
		v.SetBytes(bytes.Clone(raw))
		return nil
	case textual(v.Type()):
		return decodeText(raw, v)
	}
	switch v.Kind() {
	case reflect.Bool:
		return decodeBool(text, v)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return decodeInteger(text, v)
	case reflect.Float32, reflect.Float64:
		return decodeFloat(text, v)
	}
	return decodeJSON(raw, text, v)
}

func decodeBool(text string, v reflect.Value) error {
	switch strings.ToLower(text) {
	case "true", "t", "yes", "y", "on", "1":
		v.SetBool(true)
	case "false", "f", "no", "n", "off", "0":
		v.SetBool(false)
	default:
		return sentence("Must be a valid boolean.")
	}
	return nil
}

func decodeTime(text string, v reflect.Value) error {
	t, err := parseTime(text)
	if err != nil {
		return sentence("Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].")
	}
	if v.Type() == stdTime {
		v.Set(reflect.ValueOf(time.UnixMicro(int64(t)).UTC()))
	} else {
		v.SetInt(int64(t))
	}
	return nil
}

func decodeText(raw json.RawMessage, v reflect.Value) error {
	s, err := decodeString(raw)
	if err != nil {
		return err
	}
	p := reflect.New(v.Type())
	if err := p.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
		if len(s) == 36 || v.Type() == idType {
			return sentence("Must be a valid UUID.")
		}
		return sentence("Not a valid value.")
	}
	v.Set(p.Elem())
	return nil
}

// wholeNumber is a whole number, perhaps with a fraction that says nothing, as "3.0".
var wholeNumber = regexp.MustCompile(`^([+-]?[0-9]+)(?:\.0*)?$`)

func decodeInteger(text string, v reflect.Value) error {
	m := wholeNumber.FindStringSubmatch(text)
	if m == nil || len(text) > 1000 {
		return sentence("A valid integer is required.")
	}
	n, _ := new(big.Int).SetString(strings.TrimPrefix(m[1], "+"), 10)
	low, high := limitsOf(v)
	switch {
	case n.Cmp(high) > 0:
		return sentencef("Ensure this value is less than or equal to %s.", high)
	case n.Cmp(low) < 0:
		return sentencef("Ensure this value is greater than or equal to %s.", low)
	case v.CanInt():
		v.SetInt(n.Int64())
	default:
		v.SetUint(n.Uint64())
	}
	return nil
}

// limitsOf are the least and the greatest number that v and the database can hold.
func limitsOf(v reflect.Value) (low, high *big.Int) {
	bits := min(v.Type().Bits(), 64)
	if v.CanUint() {
		high = new(big.Int).Lsh(big.NewInt(1), uint(min(bits, 63)))
		return new(big.Int), high.Sub(high, big.NewInt(1))
	}
	high = new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return new(big.Int).Neg(high), new(big.Int).Sub(high, big.NewInt(1))
}

func decodeFloat(text string, v reflect.Value) error {
	n, err := strconv.ParseFloat(text, v.Type().Bits())
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) || strings.ContainsAny(text, "xX_") {
		return sentence("A valid number is required.")
	}
	v.SetFloat(n)
	return nil
}

// decodeJSON reads what has parts. A form sends it as a string.
func decodeJSON(raw json.RawMessage, text string, v reflect.Value) error {
	if len(raw) > 0 && raw[0] == '"' && v.Kind() != reflect.Interface && v.Type() != bytesType {
		if !json.Valid([]byte(text)) {
			return expected(v, raw)
		}
		raw = json.RawMessage(text)
	}
	p := reflect.New(v.Type())
	if err := json.Unmarshal(raw, p.Interface()); err != nil {
		return expected(v, raw)
	}
	if isNull(raw) {
		return sentence("This field may not be null.")
	}
	if nullWithin(raw, v.Type()) {
		return sentence("Its items may not be null.")
	}
	v.Set(p.Elem())
	return nil
}

// nullWithin says whether an item is null that t, into which raw was read, cannot hold: a text, a number, an object.
func nullWithin(raw json.RawMessage, t reflect.Type) bool {
	var items []json.RawMessage
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		_ = json.Unmarshal(raw, &items) // it has been read before, as all below
	case reflect.Map:
		var byName map[string]json.RawMessage
		_ = json.Unmarshal(raw, &byName)
		items = slices.Collect(maps.Values(byName))
	default:
		return false
	}
	kind := t.Elem().Kind()
	nullable := kind == reflect.Pointer || kind == reflect.Interface || t.Elem() == rawType
	return slices.ContainsFunc(items, func(item json.RawMessage) bool {
		return !nullable && (isNull(item) || nullWithin(item, t.Elem()))
	})
}

// expected says what would have been right in the place of raw.
func expected(v reflect.Value, raw json.RawMessage) error {
	kind, found := "", map[byte]string{'"': "str", '{': "dict", '[': "list", 't': "bool", 'f': "bool"}[bytes.TrimSpace(raw)[0]]
	switch {
	case v.Type() == bytesType:
		return sentence("Must be base64 text.")
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
		kind = "list"
	case v.Kind() == reflect.Map || v.Kind() == reflect.Struct:
		kind = "dict"
	default:
		return sentence("Value must be valid JSON.")
	}
	words := map[string]string{"list": "list", "dict": "dictionary"}[kind]
	switch found {
	case kind:
		return sentencef("Expected a %s of items of the right type.", words)
	case "":
		found = "int"
	}
	return sentencef(`Expected a %s of items but got type "%s".`, words, found)
}
