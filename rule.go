package pulp

import (
	"errors"
	"fmt"

	"github.com/go-playground/validator/v10"

	"github.com/gopulp/pulp/internal/schema"
)

// check runs the validator's rules and says what is wrong in the words that clients know.
func (d *decoder) check(f *field, value any) error {
	if labels, ok := value.(Labels); ok {
		return labels.check()
	}
	if f.rules == "" {
		return nil
	}
	var bad validator.ValidationErrors
	if err := d.valid.Var(value, f.rules); errors.As(err, &bad) {
		return errors.New(complaint(f, bad[0]))
	} else if err != nil {
		return err
	}
	return nil
}

func complaint(f *field, bad validator.FieldError) string {
	about := f.Value.Type
	if bad.Field() != "" { // it is about an item: "[0]"
		about = f.Value.Items.Type
	}
	text, unit := about == schema.String, "characters"
	if about == schema.Array || about == schema.Map {
		text, unit = true, "elements"
	}
	switch tag := bad.Tag(); {
	case tag == "url" || tag == "http_url" || tag == "uri":
		return "Enter a valid URL."
	case (tag == "min" || tag == "gte") && text:
		return fmt.Sprintf("Ensure this field has at least %s %s.", bad.Param(), unit)
	case (tag == "max" || tag == "lte") && text:
		return fmt.Sprintf("Ensure this field has no more than %s %s.", bad.Param(), unit)
	case tag == "min" || tag == "gte":
		return fmt.Sprintf("Ensure this value is greater than or equal to %s.", bad.Param())
	case tag == "max" || tag == "lte":
		return fmt.Sprintf("Ensure this value is less than or equal to %s.", bad.Param())
	case tag == "oneof":
		return fmt.Sprintf("\"%v\" is not a valid choice.", bad.Value())
	case tag == "relpath":
		return "Must be a relative path without empty, '.' or '..' parts, blanks at the ends, '?' or '#'."
	default:
		return fmt.Sprintf("Must satisfy %s %s.", tag, bad.Param())
	}
}
