package pulp

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/gopulp/pulp/internal/schema"
)

// mostImported is how large the file of a [RemoteImport] may be, in bytes.
const mostImported = 1 << 20

// A RemoteImport makes a remote of a file in which another program keeps what ours says: POST <remotes>/<name>/, a form
// with the file and any fields of a remote, which count before what the file says. Who may create remotes may do
// so.
type RemoteImport struct {
	// Name is the last part of its path, and of its operation id.
	Name string
	// Summary says what it does. Empty makes one of the name.
	Summary string
	// File is the name of the file in the form: "config".
	File string
	// Read finds the fields of a remote in the file. Its error is shown to the client.
	Read func(file []byte) (map[string]any, error)
}

// remoteImports are the operations of imports.
func (v *view[M]) remoteImports(owner Plugin, imports []RemoteImport) (out []Operation) {
	answer := v.codec.object(v.schemaName(owner))
	for _, imp := range imports {
		body := &schema.Object{Name: answer.Name + "_" + imp.Name, Fields: []schema.Field{{
			Name: imp.File, Doc: "The file to import.", WriteOnly: true, Required: true, Value: schema.Value{Type: schema.String, Format: "binary"},
		}}}
		for _, f := range answer.Fields {
			f.Required = f.Name == "name"
			body.Fields = append(body.Fields, f)
		}
		o := v.operation(owner, imp.Name, imp.Name+"/", false, Operation{
			Method: "POST", Summary: imp.Summary, Form: true, Body: body, Answer: answer, Codes: []AnswerKind{Created},
			Do: func(ctx context.Context, r *Request) (*Answer, error) {
				if err := imp.fill(&r.Body); err != nil {
					return nil, err
				}
				return v.create(ctx, r)
			},
		})
		if o.Summary == "" {
			o.Summary = title(imp.Name)
		}
		o.action = "create"
		out = append(out, o)
	}
	return out
}

// fill adds to a body what its file says.
func (imp RemoteImport) fill(body *Input) error {
	file := body.Files[imp.File]
	if file == nil {
		return FieldErrors{imp.File: {"No file was submitted."}}
	}
	if file.Size > mostImported {
		return FieldErrors{imp.File: {fmt.Sprintf("The file has more than %d bytes.", mostImported)}}
	}
	text, err := file.Bytes()
	if err != nil {
		return err
	}
	fields, err := imp.Read(text)
	if err != nil {
		return FieldErrors{imp.File: {err.Error()}}
	}
	for name, value := range fields {
		if body.Fields[name] != nil {
			continue
		}
		if body.Fields[name], err = json.Marshal(value); err != nil {
			return fmt.Errorf("import %s: %w", name, err)
		}
	}
	return nil
}
