package local

import (
	"bufio"
	"io"
	"syscall"
	"testing"
)

func start(t *testing.T, command string) *Shell {
	t.Helper()
	s := New()
	if err := s.Start(command); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// What a command finds does not depend on how kplan was started.
func TestClean(t *testing.T) {
	t.Setenv("KPLAN_VAR_token", "hunter2")
	s := start(t, "pwd; cat /proc/$$/environ; echo oops >&2; exit 3")
	out, err := io.ReadAll(s.Stdout())
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != "/\n" {
		t.Errorf("it finds more than the directory, %d bytes", len(out)) // they may be secrets
	}
	if text, err := io.ReadAll(s.Stderr()); err != nil || string(text) != "oops\n" {
		t.Errorf("%q, %v", text, err)
	}
	if err := s.Wait(); err == nil || err.Error() != "it ended with exit status 3" {
		t.Errorf("%v", err)
	}
}

// A Ctrl-C goes to the processes of the terminal's foreground group: this is
// in another group, and has no terminal.
func TestOutOfReach(t *testing.T) {
	s := start(t, "cat")
	group, err := syscall.Getpgid(s.cmd.Process.Pid)
	if err != nil || group != s.cmd.Process.Pid || group == syscall.Getpgrp() {
		t.Errorf("its group is %d, that of the test %d: %v", group, syscall.Getpgrp(), err)
	}
	if _, err := io.WriteString(s.Stdin(), "x\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(s.Stdout()).ReadString('\n'); line != "x\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if err := s.Stdin().Close(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(s.Stdout())
	if err := s.Wait(); err != nil {
		t.Errorf("%v", err)
	}
}

// Close makes blocked reads and Wait return, whatever the command does.
func TestClose(t *testing.T) {
	s := start(t, "echo up; exec sleep 600")
	out := bufio.NewReader(s.Stdout())
	if line, err := out.ReadString('\n'); line != "up\n" {
		t.Fatalf("%q, %v", line, err)
	}
	read := make(chan error, 1)
	go func() { _, err := out.ReadByte(); read <- err }()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err == nil {
		t.Error("a read of a closed shell gave something")
	}
	if err := s.Wait(); err == nil || err.Error() != "the shell was closed" {
		t.Errorf("%v", err)
	}
	if err := syscall.Kill(s.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Errorf("it has ended: %v", err)
	}
	if err := New().Close(); err != nil {
		t.Errorf("before its start: %v", err)
	}
}
