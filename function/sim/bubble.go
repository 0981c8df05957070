package sim

import (
	"flag"
	"io"
	"os"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs f in virtual time, in any program: testing/synctest gives it to tests only,
// so this is one test, run as go test would. Package testing says PASS on standard
// output, or which test failed, so that output is put aside meanwhile. f must not use it.
// What f learned, it must hand over by itself; a panic of it ends the program.
func bubble(f func()) error {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	out, errs := os.Stdout, os.Stderr
	os.Stdout = null
	defer func() { os.Stdout, os.Stderr = out, errs }()
	testing.Init()
	if !flag.Parsed() { // Run would parse the arguments of the program
		if err := flag.CommandLine.Parse(nil); err != nil {
			return err
		}
	}
	var once sync.Once // whatever -count says
	test := func(t *testing.T) {
		once.Do(func() { synctest.Test(t, func(*testing.T) { f() }) })
	}
	testing.MainStart(deps{}, []testing.InternalTest{{Name: "bubble", F: test}}, nil, nil, nil).Run()
	return nil
}

// deps is what package testing wants of a program that go test makes. No flag of a
// program asks for the rest of it.
type deps struct{}

// entry is a value of package testing's corpora.
type entry = struct {
	Parent     string
	Path       string
	Data       []byte
	Values     []any
	Generation int
	IsSeed     bool
}

func (deps) MatchString(string, string) (bool, error)    { return true, nil }
func (deps) ImportPath() string                          { return "" }
func (deps) ModulePath() string                          { return "" }
func (deps) SetPanicOnExit0(bool)                        {}
func (deps) StartCPUProfile(io.Writer) error             { return nil }
func (deps) StopCPUProfile()                             {}
func (deps) StartTestLog(io.Writer)                      {}
func (deps) StopTestLog() error                          { return nil }
func (deps) WriteProfileTo(string, io.Writer, int) error { return nil }
func (deps) CoordinateFuzzing(time.Duration, int64, time.Duration, int64, int, []entry, []reflect.Type, string, string) error {
	return nil
}
func (deps) RunFuzzWorker(func(entry) error) error              { return nil }
func (deps) ReadCorpus(string, []reflect.Type) ([]entry, error) { return nil, nil }
func (deps) CheckCorpus([]any, []reflect.Type) error            { return nil }
func (deps) ResetCoverage()                                     {}
func (deps) SnapshotCoverage()                                  {}
func (deps) InitRuntimeCoverage() (mode string, tearDown func(string, string) (string, error), snapcov func() float64) {
	return "", nil, nil
}
