package pulp

import (
	"crypto/sha256"
	"encoding/json"
	"reflect"
	"slices"
)

// identify computes what a unit with a detail is known by.
func (f *contentFace) identify(detail reflect.Value) (key, slot [16]byte, err error) {
	if key, err = f.hash(detail, func(x *field) bool { return x.key }); err != nil {
		return key, slot, err
	}
	if !slices.ContainsFunc(f.plan.fields, func(x *field) bool { return x.slot }) {
		return key, key, nil
	}
	slot, err = f.hash(detail, func(x *field) bool { return x.slot })
	return key, slot, err
}

// identityOf is identify for a detail as it is stored.
func identityOf[D any](f *contentFace, detail []byte) (key, slot [16]byte, err error) {
	var d D
	if err := json.Unmarshal(detail, &d); err != nil {
		return key, slot, err
	}
	return f.identify(reflect.ValueOf(d))
}

// hash is made of the type's label and the chosen fields of a detail, each as JSON, which no
// two different values have in common.
func (f *contentFace) hash(detail reflect.Value, chosen func(*field) bool) (out [16]byte, err error) {
	b := append([]byte(f.label), 0)
	for _, x := range f.plan.fields {
		if !chosen(x) {
			continue
		}
		if b, err = x.append(append(b, x.Name+":"...), detail, nil); err != nil {
			return out, err
		}
		b = append(b, 0)
	}
	sum := sha256.Sum256(b)
	copy(out[:], sum[:])
	return out, nil
}

// slotOf is the slot of a unit with a file at a path, for types with one file whose path is
// the slot.
func (f *contentFace) slotOf(path string) (out [16]byte) {
	b := append([]byte(f.label), 0)
	for _, x := range f.plan.fields {
		if x.slot {
			b = append(appendString(append(b, x.Name+":"...), path), 0)
		}
	}
	sum := sha256.Sum256(b)
	copy(out[:], sum[:])
	return out
}
