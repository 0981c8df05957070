package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// change is one change of the code, which the instrumented code makes if it is asked for.
type change struct {
	id   int
	pkg  string // directory
	pos  token.Position
	in   string // the function
	what string
}

func (c change) String() string {
	return fmt.Sprintf("%s/%s:%d:%d %s: %s", c.pkg, base(c.pos.Filename), c.pos.Line, c.pos.Column, c.in, c.what)
}

func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// edit puts a text in the place of the bytes [at, at+gone) of a file.
type edit struct {
	at, gone int
	text     string
	closes   bool // the end of what another edit has opened
	order    int
}

// instrumenter finds the changes of a file and the edits that make them possible. No
// edit adds or removes a line, so that positions stay.
type instrumenter struct {
	dir     string
	fset    *token.FileSet
	file    *ast.File
	src     []byte
	info    *types.Info
	pkg     *types.Package
	next    func() int
	skipped func(token.Position) bool // lines that the edits would break

	same map[ast.Expr]bool // constants of which one more is the same as another change

	in      string
	results []*ast.FieldList // of the functions around
	ends    []token.Pos      // of their bodies
	edits   []edit
	changes []change
}

func (x *instrumenter) offset(p token.Pos) int { return x.fset.Position(p).Offset }

// add adds a change and returns the number of it.
func (x *instrumenter) add(at token.Pos, what string) int {
	id := x.next()
	x.changes = append(x.changes, change{id, x.dir, x.fset.Position(at), x.in, what})
	return id
}

func (x *instrumenter) wrap(from, to token.Pos, open, end string) {
	x.edits = append(x.edits,
		edit{x.offset(from), 0, open, false, len(x.edits)},
		edit{x.offset(to), 0, end, true, len(x.edits) + 1})
}

func (x *instrumenter) insert(at token.Pos, text string) {
	x.edits = append(x.edits, edit{x.offset(at), 0, text, false, len(x.edits)})
}

// text returns the file with its edits.
func (x *instrumenter) text() []byte {
	slices.SortStableFunc(x.edits, func(a, b edit) int {
		switch {
		case a.at != b.at:
			return cmp.Compare(a.at, b.at)
		case a.closes != b.closes:
			if a.closes {
				return -1
			}
			return 1
		case a.closes:
			return cmp.Compare(b.order, a.order)
		}
		return cmp.Compare(a.order, b.order)
	})
	var out []byte
	at := 0
	for _, e := range x.edits {
		out = append(append(out, x.src[at:e.at]...), e.text...)
		at = e.at + e.gone
	}
	return append(out, x.src[at:]...)
}

func (x *instrumenter) walk() {
	for _, d := range x.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			x.in = d.Name.Name
			if d.Body != nil {
				x.function(d.Type, d.Body)
			}
		case *ast.GenDecl:
			if x.in = "package"; d.Tok == token.VAR {
				x.inspect(d)
			}
		}
	}
}

func (x *instrumenter) function(t *ast.FuncType, body *ast.BlockStmt) {
	x.results, x.ends = append(x.results, t.Results), append(x.ends, body.Rbrace)
	if t.Results == nil && len(body.List) > 1 && !x.skipped(x.fset.Position(body.Lbrace)) {
		id := x.add(body.Lbrace, "the function does nothing")
		x.insert(body.Lbrace+1, fmt.Sprintf("if mutantOn(%d) { return };", id))
	}
	x.inspect(body)
	x.results, x.ends = x.results[:len(x.results)-1], x.ends[:len(x.ends)-1]
}

func (x *instrumenter) inspect(root ast.Node) {
	ast.Inspect(root, func(n ast.Node) bool {
		if n == nil {
			return true
		}
		switch n := n.(type) {
		case *ast.FuncLit:
			x.function(n.Type, n.Body)
			return false
		case *ast.GenDecl:
			return n.Tok == token.VAR
		case *ast.StructType, *ast.InterfaceType, *ast.FuncType, *ast.ArrayType, *ast.MapType, *ast.ChanType:
			return false
		}
		if x.skipped(x.fset.Position(n.Pos())) {
			return true
		}
		switch n := n.(type) {
		case *ast.BlockStmt:
			x.statements(n.List)
		case *ast.CommClause:
			x.statements(n.Body)
		case *ast.CaseClause:
			x.statements(n.Body)
			for _, e := range n.List {
				if x.info.Types[e].Value == nil { // a constant stays one
					x.inspect(e)
				}
			}
			for _, s := range n.Body {
				x.inspect(s)
			}
			return false
		case *ast.SwitchStmt:
			x.cases(n.Body)
		case *ast.TypeSwitchStmt:
			x.cases(n.Body)
		case *ast.IfStmt:
			id := x.add(n.Cond.Pos(), "the condition is never true")
			x.add(n.Cond.Pos(), "the condition is always true")
			x.wrap(n.Cond.Pos(), n.Cond.End(), fmt.Sprintf("mutantIf(%d, ", id), ")")
		case *ast.ForStmt:
			if n.Cond != nil {
				id := x.add(n.Cond.Pos(), "the loop does nothing")
				x.wrap(n.Cond.Pos(), n.Cond.End(), fmt.Sprintf("!mutantOn(%d) && (", id), ")")
			}
		case *ast.RangeStmt:
			id := x.add(n.For, "the loop does nothing")
			x.insert(n.Body.Lbrace+1, fmt.Sprintf("if mutantOn(%d) { break };", id))
		case *ast.CompositeLit:
			t := x.info.Types[n].Type
			for _, e := range n.Elts {
				kv, ok := e.(*ast.KeyValueExpr)
				switch {
				case !ok:
					x.inspect(e)
				default:
					if _, ok := t.Underlying().(*types.Map); ok {
						x.inspect(kv.Key)
					}
					x.inspect(kv.Value)
				}
			}
			return false
		case ast.Expr:
			if tv := x.info.Types[n]; tv.Value != nil {
				x.constant(n, tv)
				return false
			}
			if b, ok := n.(*ast.BinaryExpr); ok {
				x.binary(b)
			}
		}
		return true
	})
}

// statements takes out each statement of a list in turn, as far as it can be done
// without, and has each return statement return zero values.
func (x *instrumenter) statements(list []ast.Stmt) {
	for _, s := range list {
		if x.skipped(x.fset.Position(s.Pos())) {
			continue
		}
		switch s := s.(type) {
		case *ast.ReturnStmt:
			x.returns(s)
			continue
		case *ast.ExprStmt:
			if call, ok := s.X.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.Ident); ok && f.Name == "panic" {
					continue
				}
			}
		case *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt, *ast.IncDecStmt:
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				continue
			}
		case *ast.BranchStmt:
			if s.Tok != token.BREAK && s.Tok != token.CONTINUE {
				continue
			}
		default:
			continue
		}
		id := x.add(s.Pos(), "the statement is gone")
		x.wrap(s.Pos(), s.End(), fmt.Sprintf("if !mutantOn(%d) { ", id), " }")
	}
}

func (x *instrumenter) returns(s *ast.ReturnStmt) {
	results := x.results[len(x.results)-1]
	if results == nil || len(s.Results) == 0 {
		return
	}
	var out []string
	var into []types.Type
	for _, f := range results.List {
		t := string(x.src[x.offset(f.Type.Pos()):x.offset(f.Type.End())])
		for range max(1, len(f.Names)) {
			out = append(out, "*new("+t+")")
			into = append(into, x.info.Types[f.Type].Type)
		}
	}
	zeros := 0
	for i, r := range s.Results { // fewer than into, if it is a call
		if x.isZero(r, into[i]) {
			zeros++
		}
	}
	if zeros == len(into) {
		return
	}
	id := x.add(s.Pos(), "zero values are returned")
	x.insert(s.Pos(), fmt.Sprintf("if mutantOn(%d) { return %s }; ", id, strings.ReplaceAll(strings.Join(out, ", "), "\n", " ")))
}

// isZero reports whether an expression is seen to be the zero value of a result's type.
func (x *instrumenter) isZero(e ast.Expr, result types.Type) bool {
	tv := x.info.Types[e]
	switch {
	case tv.IsNil():
		return true
	case types.IsInterface(result):
		return false
	case tv.Value != nil && tv.Value.Kind() == constant.Bool:
		return !constant.BoolVal(tv.Value)
	case tv.Value != nil && tv.Value.Kind() == constant.String:
		return constant.StringVal(tv.Value) == ""
	case tv.Value != nil:
		return constant.Sign(tv.Value) == 0
	}
	literal, ok := e.(*ast.CompositeLit)
	if !ok || len(literal.Elts) > 0 {
		return false
	}
	switch result.Underlying().(type) {
	case *types.Struct, *types.Array:
		return true
	}
	return false // an empty map or slice is not nil
}

// cases has each case of a switch statement do nothing, in turn, unless the function
// ends with the statement and so has no return behind it.
func (x *instrumenter) cases(body *ast.BlockStmt) {
	if x.skipped(x.fset.Position(x.ends[len(x.ends)-1])) {
		return
	}
	for _, s := range body.List {
		c := s.(*ast.CaseClause)
		if len(c.Body) == 0 || x.skipped(x.fset.Position(c.Case)) {
			continue
		}
		if b, ok := c.Body[0].(*ast.BranchStmt); ok && (b.Tok == token.FALLTHROUGH || b.Tok == token.BREAK) {
			continue
		}
		if len(c.Body) == 1 {
			if _, ok := c.Body[0].(*ast.ReturnStmt); !ok {
				continue // the statement itself is taken out
			}
		}
		id := x.add(c.Case, "the case does nothing")
		x.insert(c.Colon+1, fmt.Sprintf(" if mutantOn(%d) { break };", id))
	}
}

// constant has the value of an expression be one more, or the other one.
func (x *instrumenter) constant(e ast.Expr, tv types.TypeAndValue) {
	if x.same[e] {
		return
	}
	t := types.Unalias(tv.Type)
	basic, ok := t.Underlying().(*types.Basic)
	if !ok || tv.IsType() {
		return
	}
	switch {
	case basic.Info()&types.IsBoolean != 0:
		id := x.add(e.Pos(), fmt.Sprintf("%s becomes %t", tv.Value, !constant.BoolVal(tv.Value)))
		x.wrap(e.Pos(), e.End(), fmt.Sprintf("mutantNot(%d, ", id), ")")
		return
	case basic.Info()&types.IsNumeric == 0 || basic.Info()&types.IsComplex != 0:
		return
	}
	name := ""
	switch t := t.(type) {
	case *types.Basic:
		name = types.Default(t).String()
	case *types.Named:
		switch o := t.Obj(); {
		case o.Parent() != nil && o.Pkg() == x.pkg && o.Parent() == x.pkg.Scope():
			name = o.Name()
		case o.Pkg() != nil && o.Pkg().Path() == "time" && o.Name() == "Duration":
			name = "mutantDuration"
		}
	}
	if name == "" {
		return
	}
	id := x.add(e.Pos(), string(x.src[x.offset(e.Pos()):x.offset(e.End())])+" becomes one more")
	x.wrap(e.Pos(), e.End(), fmt.Sprintf("mutantMore[%s](%d, ", name, id), ")")
}

// operators are what a binary operator becomes.
var operators = map[token.Token]struct{ call, becomes string }{
	token.LSS: {"mutantLess", "<="}, token.LEQ: {"mutantLessOrEqual", "<"},
	token.GTR: {"mutantGreater", ">="}, token.GEQ: {"mutantGreaterOrEqual", ">"},
	token.LAND: {"mutantAnd", "||"}, token.LOR: {"mutantOr", "&&"},
	token.ADD: {"mutantAdd", "-"}, token.SUB: {"mutantSub", "+"},
	token.MUL: {"mutantMul", "/"}, token.QUO: {"mutantQuo", "*"}, token.REM: {"mutantRem", "*"},
}

func (x *instrumenter) binary(b *ast.BinaryExpr) {
	if b.Op == token.EQL || b.Op == token.NEQ {
		id := x.add(b.OpPos, fmt.Sprintf("%s becomes the contrary", b.Op))
		x.wrap(b.Pos(), b.End(), fmt.Sprintf("mutantNot(%d, ", id), ")")
		return
	}
	o, ok := operators[b.Op]
	if !ok {
		return
	}
	switch b.Op { // of whole numbers, x < n+1 is x <= n
	case token.LSS, token.GEQ:
		x.same[b.Y] = true
	case token.GTR, token.LEQ:
		x.same[b.X] = true
	}
	what := fmt.Sprintf("%s becomes %s", b.Op, o.becomes)
	if t, ok := x.info.Types[b].Type.Underlying().(*types.Basic); ok && t.Info()&types.IsString != 0 {
		o.call, what = "mutantConcat", "what is appended is missing"
	}
	id := x.add(b.OpPos, what)
	x.wrap(b.Pos(), b.End(), fmt.Sprintf("%s(%d, ", o.call, id), ")")
	x.edits = append(x.edits, edit{x.offset(b.OpPos), len(b.Op.String()), ",", false, len(x.edits)})
	if b.Op == token.LAND || b.Op == token.LOR {
		x.wrap(b.Y.Pos(), b.Y.End(), "func() bool { return ", " }")
	}
}
