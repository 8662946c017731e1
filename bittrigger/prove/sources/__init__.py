"""What is read: files byte for byte, text by a grammar of our own, Verilog through Yosys and VHDL through GHDL."""
