// Package jq understands the part of the jq language that finds a value in JSON: paths, and
// pipes between them.
//
//	.                    the value itself
//	.a  ."b c"  .["b"]   a member of an object
//	.[0]  .[-1]          an element of an array, from the front or the back
//	.[]                  all members or elements
//	.a?                  nothing, where .a would be an error
//	.a | .b              one after the other
package jq

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// A Filter finds values in JSON. It may be used by any number of goroutines.
type Filter struct{ steps []step }

// A step leads from a value to others.
type step struct {
	name     string // of a member, unless index or all is set
	index    *int
	all      bool
	optional bool // an error is nothing
}

// ErrNothing says that a filter found nothing.
var ErrNothing = errors.New("nothing found")

// First returns the first value that the filter finds in a JSON text, as encoding/json decodes
// it, with numbers as json.Number. What is missing is found as nil, as in jq.
func (f *Filter) First(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("this is no JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("this is more than one JSON text")
	}
	found, ok, err := first(v, f.steps)
	if err == nil && !ok {
		err = ErrNothing
	}
	return found, err
}

// first goes down all ways until one leads to the end.
func first(v any, steps []step) (found any, ok bool, err error) {
	if len(steps) == 0 {
		return v, true, nil
	}
	ways, err := steps[0].from(v)
	if err != nil && steps[0].optional {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	for _, way := range ways {
		if found, ok, err = first(way, steps[1:]); ok || err != nil {
			return found, ok, err
		}
	}
	return nil, false, nil
}

func (s step) from(v any) ([]any, error) {
	object, isObject := v.(map[string]any)
	array, isArray := v.([]any)
	switch {
	case s.all && isArray:
		return array, nil
	case s.all && isObject:
		var out []any
		for _, name := range slices.Sorted(maps.Keys(object)) {
			out = append(out, object[name])
		}
		return out, nil
	case s.all:
		return nil, errors.New("only objects and arrays have parts")
	case v == nil:
		return []any{nil}, nil
	case s.index != nil && isArray:
		i := *s.index
		if i < 0 {
			i += len(array)
		}
		if i < 0 || i >= len(array) {
			return []any{nil}, nil
		}
		return []any{array[i]}, nil
	case s.index == nil && isObject:
		return []any{object[s.name]}, nil
	}
	return nil, errors.New("this value has no such part")
}
